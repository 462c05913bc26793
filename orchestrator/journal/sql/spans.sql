SELECT run, min(seq), max(seq) FROM events GROUP BY run;
