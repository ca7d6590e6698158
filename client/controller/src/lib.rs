//! The control system: verifies drones' records, batches and anchors them, forwards originals.
