"""What a coordinator types, a module for each word (`fedgraft.common.commands`)."""
