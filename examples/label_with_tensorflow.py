"""Labels a folder of JPEGs with an exported model; only needs TensorFlow.

`python label_with_tensorflow.py EXPORT/1 IMAGES LABELS` writes gray PNGs of class ids.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf

model, images, labels = sys.argv[1:]
label = tf.saved_model.load(model).signatures["serving_default"]
os.makedirs(labels, exist_ok=True)
for path in sorted(tf.io.gfile.glob(os.path.join(images, "*.jpg"))):
    answer = label(image_bytes=tf.constant([tf.io.read_file(path).numpy()]))
    name = os.path.splitext(os.path.basename(path))[0] + ".png"
    tf.io.write_file(os.path.join(labels, name), answer["label_png_bytes"][0])
