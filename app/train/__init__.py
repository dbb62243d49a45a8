"""The page Train: fine-tuning started, its progress and curves, and the trainings before."""
