"""The site's Flower ClientApp: handlers of messages, and what a site keeps between them."""
