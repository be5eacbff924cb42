# %% [markdown]
# # Lab 0: the mean
#
# Write `mean.py` – it has a class – and one cell.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import mean

from itemmarket.labs import check

# %% nbgrader={"grade": true, "grade_id": "update", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("update")

# %% nbgrader={"grade": false, "grade_id": "look", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
mean.RunningMean().update(1.0)


# %% nbgrader={"grade": false, "grade_id": "spread_code", "locked": false, "schema_version": 3, "solution": true, "task": false}
def spread(values):
    """Return the largest minus the smallest value."""
    ### BEGIN SOLUTION
    smallest, largest = min(values), max(values)
    return largest - smallest
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "spread", "locked": true, "points": 1.5, "schema_version": 3, "solution": false, "task": false}
check("spread")

# %% nbgrader={"grade": true, "grade_id": "own_tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("own_tests")
