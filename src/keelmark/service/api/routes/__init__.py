"""The API's own routes; those that read the venue and its accounts are in `service.views`."""
