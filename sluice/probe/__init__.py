"""What AWS does not document, answered by two marked records on their way through a stack."""
