"""What a finished run shows about its model, from the evaluations that sites sent: how far it can be relied on."""
