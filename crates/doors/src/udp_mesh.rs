//! The single-letter UDP mesh.
