"""The workspace's HTTP API: photos, tasks, annotations, revisions, trainings, models and webhooks."""
