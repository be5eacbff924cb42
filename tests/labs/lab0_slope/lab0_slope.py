# %% [markdown]
# # Lab 0: a straight line

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import slope

from labkit import check

print(slope.__doc__)

# %% nbgrader={"grade": false, "grade_id": "look", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
raise SystemExit("an explore cell must never run in grading")

# %% [markdown]
# ## Task 1: fit (4 points)

# %% nbgrader={"grade": true, "grade_id": "fitting", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("fitting")

# %% [markdown]
# ## Task 2: predict (4 points)

# %% nbgrader={"grade": true, "grade_id": "prediction", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("prediction")

# %% [markdown]
# ## Task 3: report (2 points)


# %% nbgrader={"grade": false, "grade_id": "report_code", "locked": false, "schema_version": 3, "solution": true, "task": false}
def report(value: float) -> str:
    """Return a sentence about a slope."""
    ### BEGIN SOLUTION
    return f"slope {value:.2f}"
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "report", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("report")

# %% [markdown]
# ## Task 4: your own tests (2 points)

# %% nbgrader={"grade": true, "grade_id": "own_tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("own_tests")
