# La página que lleva una respuesta a una aplicación con un formulario.
form-post-title = Te llevamos de vuelta a { $app }
form-post-lead = Si no pasa nada, presiona el botón.
form-post-continue = Continuar
