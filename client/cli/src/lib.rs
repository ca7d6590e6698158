//! The dronechain command line.
