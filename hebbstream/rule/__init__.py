"""The learning rule: what one update of one layer computes, as functions of matrices."""
