ARG REGISTRY=cgr.dev
ARG ORG=chainguard
FROM ${REGISTRY}/chainguard/python:latest-dev AS build
RUN pip download --dest /wheels requests

FROM cgr.dev/${ORG}/python:latest
COPY --from=build /wheels /wheels
