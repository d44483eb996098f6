{{/* Cut to what a label's value may be: 63 characters, with a letter or digit at both ends. */}}
{{- define "tandem.cut" -}}
{{- . | trunc 63 | trimAll "-._" }}
{{- end }}

{{- define "tandem.name" -}}
{{- include "tandem.cut" (default .Chart.Name .Values.nameOverride) }}
{{- end }}

{{- define "tandem.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride }}
{{- else if contains $name .Release.Name }}{{ include "tandem.cut" .Release.Name }}
{{- else }}{{ include "tandem.cut" (printf "%s-%s" .Release.Name $name) }}
{{- end }}
{{- end }}

{{/* The name of an object beside the deployment: (dict "context" $ "part" "metrics"). */}}
{{- define "tandem.partname" -}}
{{- printf "%s-%s" (include "tandem.fullname" .context | trunc (sub 62 (len .part) | int) | trimAll "-") .part }}
{{- end }}

{{/* component keeps the pods of helm test and of the migration out of the service and the budget */}}
{{- define "tandem.selectorLabels" -}}
app.kubernetes.io/name: {{ include "tandem.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: server
{{- end }}

{{- define "tandem.commonLabels" -}}
helm.sh/chart: {{ include "tandem.cut" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") }}
app.kubernetes.io/version: {{ include "tandem.cut" (.Values.image.tag | default .Chart.AppVersion) | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tandem.labels" -}}
{{ include "tandem.selectorLabels" . }}
{{ include "tandem.commonLabels" . }}
{{- end }}

{{/* Of an object of another component: (dict "context" $ "component" "test"). */}}
{{- define "tandem.componentLabels" -}}
app.kubernetes.io/name: {{ include "tandem.name" .context | quote }}
app.kubernetes.io/instance: {{ .context.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{ include "tandem.commonLabels" .context }}
{{- end }}

{{/* The chart's labels with an object's own, which beat commonLabels, each once: (list LABELS OWN). */}}
{{- define "tandem.mergedLabels" -}}
{{- toYaml (merge (dict) (index . 1 | default dict) (index . 0 | fromYaml)) }}
{{- end }}

{{- define "tandem.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "tandem.fullname" .) .Values.serviceAccount.name }}
{{- else }}{{ default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "tandem.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}
{{- else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end }}
{{- end }}
{{- end }}

{{/* What the pods speak. An entry of extraEnv beats env, also where it is empty. */}}
{{- define "tandem.scheme" -}}
{{- $certificate := get (.Values.env | default dict) "APP_TLS_CERT" }}
{{- range .Values.extraEnv }}
{{- if eq .name "APP_TLS_CERT" }}
{{- $certificate = or .value .valueFrom }}
{{- end }}
{{- end }}
{{- if or .Values.service.tls $certificate }}https{{ else }}http{{ end }}
{{- end }}

{{/* What the restricted Pod Security Standard asks of a pod, and of a container. */}}
{{- define "tandem.podSecurity" -}}
{{ toYaml .Values.podSecurityContext }}
{{- end }}

{{- define "tandem.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop:
    - ALL
{{- end }}

{{/* A number or a boolean as the program reads it: not as 1e+07. */}}
{{- define "tandem.text" -}}
{{ kindIs "string" . | ternary . (toJson .) }}
{{- end }}

{{- define "tandem.databaseEnv" -}}
{{- if eq .Values.database.kind "postgresql" }}
- name: APP_DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.database.existingSecret | quote }}
      key: {{ .Values.database.secretKey | quote }}
{{- end }}
{{- end }}

{{/* What the user sets by name, each name once: extraEnv beats env. A value of env is meant as it stands, so the
     dollars are doubled: Kubernetes makes one of two, and takes $(NAME) for a reference.
     Without the supervisor's settings: (dict "context" $ "without" "SUPERVISOR_"). */}}
{{- define "tandem.settings" -}}
{{- $beaten := dict }}
{{- range .context.Values.extraEnv }}
{{- $_ := set $beaten .name true }}
{{- end }}
{{- range $name, $value := .context.Values.env }}
{{- if not (or (hasKey $beaten $name) (and $.without (hasPrefix $.without $name))) }}
- name: {{ $name | quote }}
  value: {{ include "tandem.text" $value | replace "$" "$$" | quote }}
{{- end }}
{{- end }}
{{- with .context.Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What the supervisor's container and the check before it have in common, so that the check sees what will run. */}}
{{- define "tandem.surroundings" -}}
image: {{ include "tandem.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
# Here, not in an object beside it: a pod of an older revision that starts anew has its own settings, not the newest.
env:
  # Records of dead workers: they outlive a restart of the container.
  - name: XDG_STATE_HOME
    value: /tmp
  # Bodies of requests and uploaded files, which clients decide on: apart from the rest.
  - name: TMPDIR
    value: /var/tmp
  - name: SUPERVISOR_WORKERS
    {{- if eq (toString .Values.supervisor.workers) "auto" }}
    # The CPU request, rounded up. The supervisor's own auto follows the CPU limit, and there should be none.
    valueFrom:
      resourceFieldRef:
        containerName: tandem
        resource: requests.cpu
        divisor: "1"
    {{- else }}
    value: {{ .Values.supervisor.workers | quote }}
    {{- end }}
  - name: SUPERVISOR_LAME_DUCK
    value: {{ printf "%ds" (int .Values.supervisor.lameDuckSeconds) | quote }}
  - name: SUPERVISOR_BOOT_TIMEOUT
    value: {{ printf "%ds" (int .Values.supervisor.bootTimeoutSeconds) | quote }}
  - name: SUPERVISOR_GRACEFUL_TIMEOUT
    value: {{ printf "%ds" (int .Values.supervisor.gracefulTimeoutSeconds) | quote }}
  - name: SUPERVISOR_LOG_LEVEL
    value: {{ .Values.supervisor.logLevel | quote }}
  {{- with .Values.database.connectionsPerPod }}
  - name: SUPERVISOR_DB_CONNECTIONS
    value: {{ int . | quote }}
  {{- end }}
  {{- with include "tandem.databaseEnv" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with include "tandem.settings" (dict "context" .) | trimPrefix "\n" }}
  {{- . | nindent 2 }}
  {{- end }}
{{- with .Values.envFromSecrets }}
envFrom:
  {{- range . }}
  - secretRef:
      name: {{ . | quote }}
  {{- end }}
{{- end }}
securityContext:
  {{- include "tandem.containerSecurity" . | nindent 2 }}
resources:
  {{- toYaml (.Values.resources | default dict) | nindent 2 }}
volumeMounts:
  # For the control socket and the records of dead workers.
  - name: tmp
    mountPath: /tmp
  - name: uploads
    mountPath: /var/tmp
  # The working directory, for the default database: the pod's own, and gone with it. Nothing else is written.
  - name: state
    mountPath: /var/lib/tandem
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* The CPU request: where there is none, Kubernetes takes the limit. */}}
{{- define "tandem.cpu" -}}
{{- $resources := .Values.resources | default dict }}
{{- $limit := get ($resources.limits | default dict) "cpu" }}
{{- get ($resources.requests | default dict) "cpu" | default $limit }}
{{- end }}

{{/* Whether the cluster has the objects of the Prometheus operator. */}}
{{- define "tandem.hasOperator" -}}
{{- if .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" }}yes{{ end }}
{{- end }}

{{/* Values that contradict each other; the schema cannot see these. */}}
{{- define "tandem.validate" -}}
{{- $pods := int .Values.replicas }}
{{- $name := "replicas" }}
{{- if .Values.autoscaling.enabled }}
{{- $pods = int .Values.autoscaling.maxReplicas }}
{{- $name = "autoscaling.maxReplicas" }}
{{- if gt (int .Values.autoscaling.minReplicas) $pods }}
{{- fail (printf "autoscaling.minReplicas %d is more than maxReplicas %d" (int .Values.autoscaling.minReplicas) $pods) }}
{{- end }}
{{- end }}
{{- if and (eq .Values.database.kind "sqlite") (gt $pods 1) }}
{{- fail (printf "%s is %d, but database.kind is sqlite: each pod would have a database of its own. Set database.kind to postgresql and name the secret with its URL in database.existingSecret; or to none, for a program that keeps nothing in its pods" $name $pods) }}
{{- end }}
{{- if and (eq .Values.database.kind "postgresql") (not .Values.database.existingSecret) }}
{{- fail "database.kind postgresql needs database.existingSecret, the name of a secret that has the URL under database.secretKey" }}
{{- end }}
{{- if and (ne .Values.database.kind "postgresql") .Values.database.existingSecret }}
{{- fail (printf "database.existingSecret is set, but database.kind is %s: set it to postgresql, or leave the secret out" .Values.database.kind) }}
{{- end }}
{{- $where := "" }}
{{- $url := "" }}
{{- if hasKey (.Values.env | default dict) "APP_DATABASE_URL" }}
{{- $where = "env.APP_DATABASE_URL" }}
{{- $url = get .Values.env "APP_DATABASE_URL" | toString }}
{{- end }}
{{- $seen := dict }}
{{- range .Values.extraEnv }}
{{- if hasKey $seen .name }}
{{- fail (printf "extraEnv has %s twice: leave one of the two out" .name) }}
{{- end }}
{{- $_ := set $seen .name true }}
{{- if and .value .valueFrom }}
{{- fail (printf "extraEnv has %s with both value and valueFrom: leave one of the two out" .name) }}
{{- end }}
{{- if eq .name "APP_DATABASE_URL" }}
{{- $where = "extraEnv's APP_DATABASE_URL" }}
{{- $url = .value | default "" }}
{{- end }}
{{- end }}
{{- if or (hasPrefix "postgres" $url) (and $where (eq .Values.database.kind "postgresql")) }}
{{- fail (printf "%s: PostgreSQL's URL has a password in it: put it into a secret, and name that in database.existingSecret, with database.kind postgresql" $where) }}
{{- end }}
{{- if and $where (eq .Values.database.kind "sqlite") }}
{{- fail (printf "%s is set, but database.kind is sqlite: that is the app's own file in the pod, and no database that is named is migrated. Leave the variable out; or set database.kind to postgresql; or to none, for one pod, and let a container of initContainers run app migrate on the file" $where) }}
{{- end }}
{{- if and $url (gt $pods 1) (not (contains "://" $url)) }}
{{- fail (printf "%s is %d, but %s names a file, which several pods cannot share: set database.kind to postgresql and name the secret with its URL in database.existingSecret" $name $pods $where) }}
{{- end }}
{{- $volumes := list "tmp" "uploads" "state" }}
{{- range .Values.extraVolumes }}
{{- $volumes = append $volumes .name }}
{{- end }}
{{- $mounts := dict "extraVolumeMounts" .Values.extraVolumeMounts }}
{{- range concat (.Values.initContainers | default list) (.Values.extraContainers | default list) }}
{{- $_ := set $mounts (printf "container %s" .name) .volumeMounts }}
{{- end }}
{{- range $who, $list := $mounts }}
{{- range $list }}
{{- if not (has .name $volumes) }}
{{- fail (printf "%s: no volume is named %s: add it to extraVolumes, or mount one of %s" $who (toString .name) (join ", " $volumes)) }}
{{- end }}
{{- end }}
{{- end }}
{{- $cpu := include "tandem.cpu" . }}
{{- if and (eq (toString .Values.supervisor.workers) "auto") (not $cpu) }}
{{- fail "supervisor.workers is auto, which follows resources.requests.cpu, and there is none: set one of the two" }}
{{- end }}
{{- if and .Values.autoscaling.enabled (not $cpu) }}
{{- fail "autoscaling.enabled needs resources.requests.cpu: the target is a percentage of it" }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
{{- fail "ingress.enabled needs at least one of ingress.hosts" }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled .Values.networkPolicy.enabled (not .Values.networkPolicy.monitoring) }}
{{- fail "serviceMonitor.enabled with networkPolicy.enabled needs networkPolicy.monitoring: the policy would keep Prometheus from port 9000" }}
{{- end }}
{{- $fullname := include "tandem.fullname" . }}
{{- if not (regexMatch "^[a-z]([a-z0-9-]*[a-z0-9])?$" $fullname) }}
{{- fail (printf "%s cannot be a service's name, which begins with a letter and has no dot: set fullnameOverride" $fullname) }}
{{- end }}
{{- if and .Values.service.nodePort (eq .Values.service.type "ClusterIP") }}
{{- fail "service.nodePort needs service.type NodePort or LoadBalancer" }}
{{- end }}
{{- end }}
