# The pages of the API's documentation.
docs-title = API reference
docs-lead = What this server can be asked for by programs. Every operation below comes from the document at { $document }.
docs-errors-link = All errors
docs-errors-title = Errors of the API
docs-errors-lead = Every error has a name for programs, which never changes, and words for people, which may.
docs-overview = Overview
docs-needs-scope = Access token with the scope { $scope }
docs-needs-token = Access token
docs-needs-client = Client id and secret, or the id alone for a public client
docs-parameters = Parameters
docs-body = Body
docs-errors = Errors
docs-answers = Answers
docs-try = In a terminal
docs-required = required
