"""What a hospital types, a module for each word (`fedgraft.common.commands`), besides those of other rooms."""
