"""The parent: starts the processes of the service, keeps them running, stops them in order."""
