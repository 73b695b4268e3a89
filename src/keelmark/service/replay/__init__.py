"""A recorded crash as a service's book and feed: accounts drawn, marks streamed at any speed."""
