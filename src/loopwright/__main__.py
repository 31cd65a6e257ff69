"""`python -m loopwright`, as torchrun needs it."""

from loopwright.cli import main

if __name__ == "__main__":
    main()
