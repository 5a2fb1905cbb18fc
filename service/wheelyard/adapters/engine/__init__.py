"""The container engine: docker or podman."""
