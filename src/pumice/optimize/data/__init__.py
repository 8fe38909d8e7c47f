"""Examples from files: read, held against the model's signature, and split.

reading    finds out what DATA is
rows       JSONL, CSV and Parquet
archive    NPZ
folder     images
elements   values as the tensors of an input
labels     the column ``label``
content    what serving would refuse: unclean text, broken images, NaN
problems   what is wrong, told all together
digests    names of examples by their content
splitting  disjoint parts for calibration, search and certification
"""
