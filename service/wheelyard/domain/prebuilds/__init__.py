"""Requests for whole applications, and the webhooks that report their end."""
