"""Metrics: precision, recall, AP, mAP, top-k, their bootstrap intervals, model comparison and the gate."""
