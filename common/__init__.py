"""What the coordinator and the sites must agree on: plan, model, roles, wire, metrics."""
