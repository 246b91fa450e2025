"""What the residuals of a model may share: correlations within groups, unequal variances."""
