"""The Flower ClientApp: messages in, answers out, and what a site keeps between them."""
