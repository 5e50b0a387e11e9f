"""Which training cases an epoch shows (`fedgraft.common.sampling`): one file for each way."""
