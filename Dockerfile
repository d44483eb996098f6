# The same files as `make image` puts into its archive: deploy/image lays them out
# here too. The stages need what the base image has: Go, git, make, CA certificates.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# The version is asked from git when it is not given.
ARG VERSION
RUN make build ${VERSION:+VERSION="$VERSION"} && \
    go run ./deploy/image -root /image bin/supervisor bin/app

FROM scratch
COPY --from=build /image /
# Some builders keep the owner of what they copy, some do not.
COPY --from=build --chown=65532:65532 /image/var/lib/ /var/lib/
ENV PATH=/usr/bin PORT=8000
USER 65532:65532
WORKDIR /var/lib/tandem
EXPOSE 8000
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/supervisor"]
