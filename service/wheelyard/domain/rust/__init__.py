"""Crates that a project in Rust needs."""
