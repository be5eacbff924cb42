# The course with everything in it: for grading on macOS and Windows, in a cluster, and for everybody who has no Python.
#   docker build -t itemmarket-course .
#   docker run --rm itemmarket-course check_env
FROM python:3.11-slim-bookworm

# bubblewrap and libseccomp are what full isolation needs where the container may make namespaces.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends bubblewrap libseccomp2 \
    && rm -rf /var/lib/apt/lists/*

# An index with the CPU build of torch spares the image some gigabytes of GPU libraries.
ARG COURSE_TORCH_INDEX=""
ENV COURSE_TORCH_INDEX=${COURSE_TORCH_INDEX}

WORKDIR /course
COPY . .
RUN python course.py data verify && rm -rf /root/.cache

# Workers are started by the name of Python alone: autograder/sandbox/container.py.
ENV PATH="/course/.venv/bin:${PATH}" PYTHONPATH="/course"
ENTRYPOINT ["python", "course.py"]
CMD ["--help"]
