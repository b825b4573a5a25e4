# Las páginas de la documentación de la API.
docs-title = Referencia de la API
docs-lead = Lo que los programas pueden pedirle a este servidor. Cada operación viene del documento en { $document }.
docs-errors-link = Todos los errores
docs-errors-title = Errores de la API
docs-errors-lead = Cada error tiene un nombre para los programas, que nunca cambia, y palabras para las personas, que pueden cambiar.
docs-overview = Resumen
docs-needs-scope = Token de acceso con el permiso { $scope }
docs-needs-token = Token de acceso
docs-needs-client = Identificador y secreto del cliente, o solo el identificador si es público
docs-parameters = Parámetros
docs-body = Cuerpo
docs-errors = Errores
docs-answers = Respuestas
docs-try = En una terminal
docs-required = obligatorio
