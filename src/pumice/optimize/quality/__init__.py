"""What right and equal mean for a task: one judge a kind of answer."""
