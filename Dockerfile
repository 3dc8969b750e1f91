# One image for every line of the Procfile. The build tools stay in the first stage.
FROM python:3.13-slim-trixie AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
RUN ["python", "-m", "venv", "/opt/venv"]
ENV PATH="/opt/venv/bin:$PATH"
WORKDIR /app
# The lock has the hash of every wheel, and no package is compiled here.
COPY requirements.txt ./
RUN ["pip", "install", "--no-cache-dir", "--require-hashes", "--only-binary", ":all:", "-r", "requirements.txt"]
COPY . .
# The root of a container is read-only, so no process could keep the bytecode of our modules: they are compiled here.
RUN pip install --no-cache-dir --no-deps --no-build-isolation -e . \
    && python -m compileall -q domain migrations models scrip tasks worker \
    # The checkout may be one that only its owner can read.
    && chmod --recursive a+rX .

FROM python:3.13-slim-trixie
# A numeric user id, so that a cluster can see that the user is not root. The group gets the same number.
RUN ["useradd", "--uid", "10001", "--user-group", "--no-create-home", "--home-dir", "/app", "--shell", "/usr/sbin/nologin", "scrip"]
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
# A volume that is mounted here belongs to that user.
RUN ["install", "--directory", "--owner=10001", "--group=10001", "/var/lib/scrip/metrics"]
ENV PATH="/opt/venv/bin:$PATH" PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /app
USER 10001
CMD ["scrip", "--help"]
