"""Work in the background: pages ask for it through ``client``, workers do it on DBOS, crashes do not stop it.

Asking is a row in the store's table of jobs, so pages need neither DBOS nor a worker that runs. Only workers
import the other modules.
"""
