"""Loggers of other projects that a training also logs to: `train.log: [tensorboard, wandb, mlflow, trackio]`.

Each library runs in a process of its own, so that nothing it does can slow, stop or crash the training: not a
server that does not answer, nor an exit handler that waits. The training sends plain values:

    external.py   in the training: all loggers of one, from its first step to its artifact
    process.py    in the training: one process, what is sent to it and what it answers
    program.py    in the process: calls the library, and goes on where it fails
    logger.py     in the process: what a logger does
    wandb.py, mlflow.py, trackio.py: one library each

TensorBoard needs none of this: `fcn.training.log` writes its events with files alone. Nothing here imports
Keras; `program.py` and what it imports need only Python and the library.
"""
