"""A run's figures for programs that track experiments: MLflow, TensorBoard. Nothing is sent anywhere."""
