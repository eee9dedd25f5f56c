# command-line helpers
