"""Loop folders to bars, to a manifest, to a data set. Statistics travel with the data."""

from loopwright.data.prepared import MelStats, PreparedData, PreparedWriter

__all__ = ["MelStats", "PreparedData", "PreparedWriter"]
