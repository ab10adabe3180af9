"""What people look at: leaderboards."""
