"""`make bench`: what the pipeline and the transport cost, as ratios within one run."""

from __future__ import annotations

from . import pipeline, transport

if __name__ == "__main__":
    pipeline.main()
    transport.main()
