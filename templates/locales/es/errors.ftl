# Páginas de error: qué pasó y qué hacer ahora.
error-app-title = La aplicación pidió algo que no podemos aceptar
error-app-lead = No hiciste nada mal. Vuelve a la aplicación e inténtalo otra vez; si se repite, avisa a quienes la hacen.
error-browser-title = Esta página es de otro navegador
error-browser-lead = El inicio de sesión empezó en otro navegador u otra ventana, o aquí las cookies están bloqueadas. Vuelve a la aplicación y empieza de nuevo.
error-expired-title = Este inicio de sesión tardó demasiado o ya terminó
error-expired-lead = Por tu seguridad no puede seguir desde aquí. No se perdió nada; vuelve a la aplicación y empieza de nuevo.
error-form-title = No podemos aceptar este formulario
error-form-lead = Estuvo abierto demasiado tiempo, llegó desde otro sitio o tu sesión cambió mientras tanto. Abre la página otra vez y repítelo.
error-request-title = No podemos leer esta solicitud
error-request-lead = Algo en ella está mal formado. Vuelve atrás e inténtalo otra vez.
error-not-found-title = Aquí no hay nada
error-not-found-lead = Quizá la dirección está mal escrita o la página ya no existe.
error-method-title = Eso no es posible aquí
error-method-lead = Esta dirección existe, pero no para lo que se le pidió.
error-large-title = Es demasiado grande
error-large-lead = Lo que se envió es más grande de lo que aceptamos.
error-late-title = No llegó
error-late-lead = Lo que enviaste no llegó entero a tiempo. Vuelve atrás y envíalo otra vez.
error-long-title = Esa dirección es demasiado larga
error-long-lead = El enlace es más largo de lo que aceptamos. Vuelve a la aplicación y inténtalo otra vez; si se repite, avisa a quienes la hacen.
error-many-title = Demasiados intentos
error-many-lead = { $minutes ->
    [one] Espera un minuto y vuelve a probar.
   *[other] Espera { $minutes } minutos y vuelve a probar.
}
error-ours-title = Algo falla de nuestro lado
error-ours-lead = No se perdió nada; vuelve a probar en un momento.
error-code-label = Código
error-reason = Motivo
error-try-again = Probar otra vez
error-detail = Detalle
cause-missing-client-id = La solicitud no tiene client_id.
cause-unknown-client = El client_id no está registrado aquí.
cause-repeated-parameter = El parámetro { $parameter } aparece más de una vez.
cause-missing-redirect-uri = La solicitud no tiene redirect_uri, y no se puede omitir.
cause-unregistered-redirect-uri = El redirect_uri no es, letra por letra, uno de los registrados para este cliente.
cause-malformed-request = La solicitud no se puede leer como parámetros de un formulario.
cause-expired-flow = La interacción terminó, es demasiado antigua o no se conoce.
cause-other-browser = La interacción empezó en otro navegador, o su cookie no volvió.
cause-forged-form = El formulario llegó sin la marca que nuestra página le puso.
cause-invalid-logout-request = La solicitud de cierre de sesión se contradice o nombra un cliente desconocido.
cause-invalid-id-token-hint = El id_token_hint no es un token de identidad de este emisor para este cliente.
cause-unregistered-post-logout-redirect-uri = El post_logout_redirect_uri no es, letra por letra, uno de los registrados para este cliente.
