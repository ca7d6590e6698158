//! The cloud server: keeps originals and checks every one against its receipt.
