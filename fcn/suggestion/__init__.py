"""`fcn suggest`: which unlabeled images to label next.

In order: `suggest.py` labels all images of a folder with a net, `descriptor.py` describes what the net is not
sure of in each, `choice.py` chooses by that, and `copies.py` writes the chosen ones, with the labels of the
net for a labeling tool.
"""
