"""All SQL of the system, for SQLite and Postgres alike, written once and synchronously.

Functions that serve a request take the owner right after the connection; fenced ones take (id, attempt).
"""
