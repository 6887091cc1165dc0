//! The algorithms, one file each, one folder per family.
