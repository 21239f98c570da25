"""The names under which stages keep what is no table: a stage that reads one imports no other stage."""

from __future__ import annotations

CLASSIFIER = "classifier"  # of bucket: the model that guesses domains
LUCENE = "lucene"  # of index
TEACHER = "teacher"  # of label: the cross-encoder
MODEL = "model"  # of train1 and train2
EVALUATION = "evaluation"  # of evaluate
