"""Durable background jobs: pages request them through ``client``, workers run them on DBOS.

A request is a row in the store's table of jobs, so pages need neither DBOS nor a running worker. Only workers
import the other modules.
"""
