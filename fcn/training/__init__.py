"""Training a net: `loop.py` reads from top to bottom, the other files hold its parts.

A step is one update of the weights. Its callbacks (`step_callback.StepCallback`) act in this order, which
`callback_list.build_callbacks` builds:

1. `StopOnNonFiniteLoss` ends the training before anything is made of a loss that is NaN or infinite.
2. `TorchSeed`, on PyTorch only, seeds dropout before each step.
3. `WeightAverage`, with `train.ema` only, moves the average before it is saved or scored.
4. `Logger` writes a row of the log every `train.log_steps` steps, and keeps the losses in between for the
   next checkpoint. What it writes also goes to TensorBoard and to the `loggers` of other projects.
5. `ProgressReport` moves the bar in the terminal.
6. `ScoreReport` scores a sample before the first step, and prints the scores of each validation.
7. `HealthCheck` warns of what is known to go wrong.
8. `CheckpointCallback` saves, then scores the validation split, then keeps the best weights.
9. `LiveReport` shows what was logged and scored.
10. `StopWhenStalled`, with `train.patience` only, ends the training when the score has stalled.
11. `SaveWhenStopped` comes last: when a signal has arrived, everything above is done for this step, and it
    saves and ends the process.

4 to 9 exist in the first process only, which writes for all. Keras sees four kinds of callbacks: `DataWait`,
then `StepDispatcher`, which turns Keras' calls into steps for the list above, then those of the caller, then
`WholeSteps`, which lets a caller's callback end the training only after a whole step.
"""
