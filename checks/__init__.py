"""What holds the product to its promises beside the tests: attacks and benchmarks."""
