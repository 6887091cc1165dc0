//! List entry, config and result: coverage, leaderboard.
