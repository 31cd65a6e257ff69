"""Loop folders to bars, to a manifest, to a data set. Statistics travel with the data."""

from loopwright.data.prepared import PreparedData
from loopwright.data.prepared_writer import PreparedWriter
from loopwright.data.statistics import MelStats

__all__ = ["MelStats", "PreparedData", "PreparedWriter"]
