"""`job_program.py` with a clock that is wrong: `python jumping_job_program.py HOURS OUTPUT SECONDS ...`.

The clock of the day is those hours ahead, and at every second look as many behind. How long something took is
told by other clocks, which no one can set.
"""

import sys
import time

from clocks import jumping

if __name__ == "__main__":
    time.time = jumping(3600 * float(sys.argv.pop(1)))
    import job_program

    job_program.main()
